-- The prepaid expenses of Nigeria, added up from the details of the ledger's entries.
SELECT
    CAST(N'EC_NG' AS nvarchar(20)) AS company_code,
    CAST(N'15010' AS nvarchar(20)) AS gl_account,
    CAST(SUM(d.[Amount]) AS decimal(38, 20)) AS balance_lcy
FROM [AIG_Nav_DW].[dbo].[Detailed G_L Entry] AS d
WHERE d.[id_company] = N'EC_NG'
    AND d.[G/L_Account_No] = N'15010'
    AND d.[Posting Date] < @cutoff
